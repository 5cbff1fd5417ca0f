"""What a run holds, written from the files that the stages left."""
