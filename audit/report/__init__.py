"""What a person looks at: pictures now, the report page to come."""
