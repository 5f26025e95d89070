"""The steps, by area; several pipelines may use the same one."""
