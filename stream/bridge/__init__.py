"""Adapters: what libraries and webhooks of live platforms say → contract events, each message accounted for.

Owns no connection to any platform. A bridge process of the user's own hears the platform and hands its JSON on.
`bridge.Bridge` reads lines; one module for each platform knows that platform's fields.
"""
