"""A trained model in other hands: frames, requests and tables in, predictions out."""
