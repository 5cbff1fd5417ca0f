"""The stage's side of tracking: starts MLflow's process and feeds it, without loading mlflow."""
