"""Captchas over HTTP, onto the same queue as everybody's. May import `client`, `tilefleet`.

Reading order: `app` (routes), `admission` (who may come in), `api` (the clean one), `legacy` (what
old servers answered), `page` (the page at /), `context` (what requests share), `solving` (the one
way to the fleet), `body` (what clients send), `problem` (errors as HTTP says them), `keys` and
`quota`, `metrics`, `openapi`, `server` (the process), `connection` (what one may send).
"""
