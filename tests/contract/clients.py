"""The 75 routes that the earlier front ends call, by area, as the contract writes them: `id` and `cid` stand for ids."""

CALLS = {
    "auth": """
        GET /clerk-config
        GET /auth/user
    """,
    "videos": """
        POST /upload
        GET /videos
        GET /videos/:id
        GET /videos/:id/status
        PATCH /videos/:id
        POST /videos/:id/speaker-image
        POST /videos/:id/upload-thumbnail
        PATCH /videos/:id/trim
    """,
    "studio": """
        POST /videos/:id/analyze-content-start
        POST /videos/:id/analyze-content-end
        POST /videos/:id/generate-metadata
        POST /videos/:id/generate-thumbnail
        GET /videos/:id/clips
        POST /videos/:id/suggest-clips
        POST /videos/:id/clips
        POST /videos/:id/publish
        GET /my-channels
        GET /me/publish-info
        GET /admin/channels
        POST /admin/channels
        DELETE /admin/channels/:cid
        POST /admin/seed
    """,
    "ai": """
        POST /videos/:id/confidentiality-check
        GET /videos/:id/confidentiality-check
        POST /search
        GET /search/history
        POST /workbook/ai-coach
    """,
    "sources": """
        GET /dropbox/status
        GET /dropbox/files
        GET /dropbox/download-link
        POST /dropbox/connect
        POST /dropbox/select-folder
        GET /dropbox/search-videos
        GET /cloud-connections
        POST /ingest-requests
        GET /ingest-requests
        GET /ingest-requests/:id
        DELETE /ingest-requests/:id
    """,
    "admin": """
        GET /admin/users
        POST /admin/users
        PATCH /admin/users/:id
        PATCH /admin/users/:id/role
        PATCH /admin/users/:id/default-channel
        DELETE /admin/users/:id
        POST /admin/users/:id/channels
        DELETE /admin/users/:id/channels/:cid
        GET /admin/all-videos
        GET /admin/export-csv
        POST /bootstrap-superadmin
    """,
    "workbook": """
        GET /workbook/progress
        POST /workbook/progress
        GET /workbook/core-value
        POST /workbook/core-value
        GET /workbook/swot
        POST /workbook/swot
        GET /workbook/swot/all
        GET /workbook/root-cause
        POST /workbook/root-cause
        GET /workbook/time-audit
        POST /workbook/time-audit
        GET /workbook/action-plan
        POST /workbook/action-plan
    """,
    "leads": """
        GET /leads/clients
        POST /leads/clients
        DELETE /leads/clients/:id
        GET /leads/clients/:id/swot
        POST /leads/clients/:id/swot
        GET /leads/clients/:id/searches
        POST /leads/clients/:id/search
        POST /leads/webhook/results
        POST /intel/analyze
        POST /intel/callback
        GET /intel/results/:clientId
    """,
}


def calls_of(area: str) -> set[str]:
    """`METHOD /path` of each call of an area."""
    return {line.strip() for line in CALLS[area].strip().splitlines()}
