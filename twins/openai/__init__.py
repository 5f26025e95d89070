"""The twin of an OpenAI-compatible API: chat completions, responses, embeddings, models; it says what it is told to say."""
