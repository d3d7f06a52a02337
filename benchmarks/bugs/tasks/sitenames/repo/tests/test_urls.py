from sitenames.urls import page_url, slugify, unique_urls


def test_slugs_are_plain():
    assert slugify("Crème Brûlée!") == "creme-brulee"
    assert slugify("???") == "page"


def test_an_ending_goes():
    assert page_url("blog/My Post.rst") == "/blog/my-post/"


def test_the_rest_of_the_name_stays():
    assert page_url("hotmail.html") == "/hotmail/"


def test_index_is_its_folder():
    assert page_url("blog/index.htm") == "/blog/"


def test_doubles_are_numbered():
    assert unique_urls(["a/x.rst", "a/X.rst"]) == {"a/X.rst": "/a/x/", "a/x.rst": "/a/x-2/"}
