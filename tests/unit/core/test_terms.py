from __future__ import annotations

from stream.core.terms import SaleTerms, own_terms_key, sale_of_terms
from tests.support.events import at, closed, extended


# -- the sale as a whole -----------------------------------------------------------------------------------------------
def test_the_furthest_end_that_was_announced_holds() -> None:
    terms = SaleTerms()
    terms.extend(extended(700))
    terms.extend(extended(650))
    assert terms.extended_to_ms == at(700)


def test_the_first_close_holds() -> None:
    terms = SaleTerms()
    assert terms.closed_at_ms == -1
    terms.close(closed(), at(20))
    terms.close(closed(), at(10))
    terms.close(closed(), at(30))
    assert terms.closed_at_ms == at(10)


def test_a_close_at_the_epoch_is_a_close() -> None:
    terms = SaleTerms()
    terms.close(closed(), 0)
    terms.close(closed(), 5)
    assert terms.closed_at_ms == 0


def test_the_terms_of_one_sku_lie_beside_those_of_the_sale() -> None:
    assert own_terms_key("s1", "k1") == "s1/k1"
    assert (sale_of_terms("s1/k1"), sale_of_terms("s1")) == ("s1", "s1")
