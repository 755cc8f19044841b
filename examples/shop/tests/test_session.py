from shop import session


def test_a_token_is_valid_for_its_own_digest_only():
    token = "a-token"
    assert session.is_valid(token, session.digest(token))
    assert not session.is_valid(token, session.digest("another"))
