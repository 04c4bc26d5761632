"""The media: each carries streams that one kind of namespace scopes."""
