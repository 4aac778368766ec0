"""Values of Secrets that were read, recognised where they stand elsewhere. Only keyed digests of them are kept."""
