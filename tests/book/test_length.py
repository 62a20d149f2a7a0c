"""What counts as read in a chapter's main line."""

import length

TEXT = """---
kernelspec:
  name: python3
---

# One two

Three $a + b$ five {prf:ref}`demo-sum`, and
[a link](https://example.org/a) here.

$$
x = 1
$$

:::{prf:theorem} A title
:label: demo-sum
Ten words.
:::

| a | table |
|---|---|

```{code-cell} ipython3
# not a heading
print("no")
```

## Details: a longer proof

Not read.

### Below it

Not read either.

## Next

End.
"""


def test_code_tables_displays_and_details_are_not_read():
    read = "# One two Three x five x, and [a link] here. Ten words. ## Next End."
    assert length.words(TEXT) == len(read.split())


def test_a_longer_fence_ends_with_its_like_only():
    assert length.words("````\n```\na b c\n```\n````\nd") == 1
