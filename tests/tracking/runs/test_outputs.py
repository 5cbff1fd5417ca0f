"""What tracking reads of the stages' folders, as the stages write them."""

from pathlib import Path

from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.tracking.runs import outputs


def test_columns_of_every_type_are_read(tmp_path: Path) -> None:
    """Numbers, booleans, categories and each part of a date have a type that MLflow knows."""
    source = tmp_path / "t.csv"
    source.write_text("n,flag,c,d,y\n1,true,u,2024-02-29,a\n2,false,v,2024-03-01,b\n")
    content = {"source": "t.csv", "target": "y", "types": {"d": "date"}, "date_parts": ["year", "weekday"]}
    prepare.main(params=PrepareParams.model_validate(content), source=source, out=tmp_path / "prepared")
    data = outputs.read_data(tmp_path / "prepared", {"prepare": content})
    assert data.columns == {
        "n": "double", "flag": "boolean", "d year": "double", "d weekday": "double", "c": "string"
    }  # fmt: skip
