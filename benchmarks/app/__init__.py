"""What a search costs its user in the App, beside FiftyOne's own."""
