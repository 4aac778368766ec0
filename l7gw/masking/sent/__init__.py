"""What a caller sent: read strictly, and masked for the record alone."""
