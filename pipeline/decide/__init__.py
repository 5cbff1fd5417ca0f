"""The stage after train: what is done with a model's probabilities: scaling, prediction sets, decisions by costs."""
