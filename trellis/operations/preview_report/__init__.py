"""What a pull request would do to a stack, as one comment for its reviewers."""
