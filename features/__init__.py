"""What a model may know of a lead at a moment."""
