"""The failing test in the terminal picture: a seller sells more tickets than it has."""

stock = {"tickets": 100}


def sell(count):
    print("selling", count)
    stock["tickets"] -= count
    assert stock["tickets"] >= 0


def deliver():
    while True:
        order = input("order? ")
        print("delivering", order)


def test_shop(peer_factory):
    seller = peer_factory(name="seller")
    courier = peer_factory(name="courier")
    courier.cast(deliver)
    for count in (70, 50):
        seller.call(sell, count)
        courier.stdin.write(f"{count}\n")
        courier.stdout.wait_for(f"delivering {count}")
