"""Coupons: limited, handed out in the room, used, returned or expired."""
