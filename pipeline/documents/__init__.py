"""JSON and YAML read strictly, Markdown written safely."""
