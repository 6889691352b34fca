"""What the shop sells."""

from django.db import models, transaction


class Article(models.Model):
    name = models.CharField(max_length=40)
    stock = models.IntegerField()

    @classmethod
    def buy(cls, name: str) -> bool:
        """Take one of the stock; return whether there was one."""
        with transaction.atomic():
            there = cls.objects.filter(name=name, stock__gt=0)
            return there.update(stock=models.F("stock") - 1) == 1
