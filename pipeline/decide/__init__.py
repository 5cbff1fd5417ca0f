"""Stage 3: what is done with a model's probabilities: scaling, prediction sets, decisions by costs."""
