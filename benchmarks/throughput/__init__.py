"""What objects with vectors cost, beside FiftyOne's and ultralytics' ways, and what they are worth."""
