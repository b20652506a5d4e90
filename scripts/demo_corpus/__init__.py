"""Writers of the demo corpora: a Markdown subset in, four document formats out."""
