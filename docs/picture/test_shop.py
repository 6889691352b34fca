"""The failing test in the terminal picture: a seller sells more tickets than it has."""

stock = {"tickets": 100}


def sell(count):
    stock["tickets"] -= count
    if stock["tickets"] < 50:
        print("only", stock["tickets"], "left")
    assert stock["tickets"] >= 0


def deliver():
    while True:
        print("delivering", input("where to? "))


def test_shop(peer_factory):
    sellers = peer_factory.many(6, name="seller")
    courier = peer_factory(name="courier")
    courier.cast(deliver)
    sellers.call(sell, 10)
    sellers.map(sell, [40, 95, 20, 95, 10, 30])
