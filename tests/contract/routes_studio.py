"""What becomes of a video: drafts, clips, thumbnails, publishing."""

from tests.contract.route import Route

AWAITED: set[str] = {
    "POST /videos/:id/analyze-content-start",
    "POST /videos/:id/analyze-content-end",
    "POST /videos/:id/generate-metadata",
    "POST /videos/:id/generate-thumbnail",
    "GET /videos/:id/clips",
    "POST /videos/:id/suggest-clips",
    "POST /videos/:id/clips",
    "POST /videos/:id/publish",
    "GET /my-channels",
    "GET /me/publish-info",
    "GET /admin/channels",
    "POST /admin/channels",
    "DELETE /admin/channels/:cid",
    "POST /admin/seed",
}

ROUTES: list[Route] = []
