"""Ids of images inside a repository."""

from tidegate.images.digest import digest_of
from tidegate.images.image_id import ImageId


def test_a_tag_and_a_digest_are_told_apart_even_with_the_same_text():
    digest = digest_of(b"x")
    assert ImageId.of_digest(digest) != ImageId.of_tag(digest)
    assert ImageId.of_digest(digest) == ImageId("digest", digest)


def test_an_id_is_written_as_behind_a_repository():
    digest = digest_of(b"x")
    assert str(ImageId.of_tag("v1")) == ":v1"
    assert str(ImageId.of_digest(digest)) == f"@{digest}"
