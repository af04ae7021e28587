"""TODO: i18n."""
