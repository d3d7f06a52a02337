"""Numbers as they are spoken in English."""

SMALL = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
         "seventeen eighteen nineteen").split()
TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()


def spell(number):
    """A whole number from 0 to 999 in words, such as "forty-two" and "three hundred and five".

    "zero" is only said for the number 0 itself: 40 is "forty" and 300 "three hundred".
    """
    if not 0 <= number <= 999:
        raise ValueError("only numbers from 0 to 999")
    if number < 20:
        return SMALL[number]
    if number < 100:
        tens, rest = divmod(number, 10)
        head, joint = TENS[tens], "-"
    else:
        hundreds, rest = divmod(number, 100)
        head, joint = SMALL[hundreds] + " hundred", " and "
    return head + joint + spell(rest)
