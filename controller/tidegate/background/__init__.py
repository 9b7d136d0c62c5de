"""The background role: running images, judged again and again by one leader, and what it writes about them."""
