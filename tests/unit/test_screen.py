"""The screen on a list of hard cases made by hand, all of them harmless: what it must drop, and what it must leave."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.images.screen.folding import fold, tokens, visible
from regrow.images.screen.minors import is_minor_word, names_minor
from regrow.images.screen.people import names_person
from regrow.images.screen.words import EXEMPT, GIVEN_NAMES, MINORS, NO_NAMES, NOT_A_CREDIT, ROLES, TITLES

MINOR = {
    "plain": ["a girl with an umbrella", "two boys on a bench", "children at a table", "a baby in a hat", "THE KIDS"],
    "negated": ["a park without children", "no kids", "not a child", "an adult, definitely not a teenager"],
    "role": ["a student", "their daughter", "a cheerleader", "in the nursery", "putti on a ceiling", "my niece"],
    "young": ["a young woman", "the youngest of them", "youthful faces", "a childlike drawing", "a boyish smile"],
    "compound": ["a schoolgirl", "catgirl", "a farmboy in school", "babydoll", "a girl-next-door", "preteens"],
    "run together": ["thegirlsits", "smilingchildren", "xteenx", "agirl's hat"],
    "misspelt": ["chidlren", "a teneager", "todler", "the chlidren", "underaged", "a gurl", "schoogirl"],
    "stretched": ["a giiirl", "babyyy", "kiiids", "a booooy"],
    "leetspeak": ["a g1rl", "ch1ld", "t33n", "k1ds", "b@by", "a b0y", "ch!ldren", "g!rl", "7een", "t0ddler"],
    "broken": ["a g.i.r.l", "g i r l", "c-h-i-l-d", "b o y s", "te.en", "k_i_d_s", "ch-ild", "te en", "gi rl"],
    "masked": ["a g*rl", "ch*ldren", "k#ds", "b**y"],
    "unseen letters": ["a gi\u200brl", "c\u00adhild", "ba\ufeffby"],
    "look-alikes": ["a gіrl", "сhild", "а bоу", "ｇｉｒｌ", "𝓰𝓲𝓻𝓵", "ⓖⓘⓡⓛ", "κid"],
    "accents": ["gírl", "chìld", "BÉBÉ", "une fillette", "niña", "crianças", "Mädchen", "chłopiec", "kız", "garçon"],
    "ages": [
        *("a 17 year old", "17-year-old", "17yo", "17 y/o", "17 y.o.", "17yrs", "aged 12", "age: 9", "age of 16"),
        *(
            "seventeen year old",
            "seventeen-year-old",
            "six years",
            "her 13th birthday",
            "turning 15",
            "aged twelve",
            "in her teens",
        ),
        *("8 months old", "5th grade", "grade 7", "under 18", "under-16", "<18", "sweet sixteen", "barely legal"),
        *("l7 year old", "1O years old", "17 años", "16 ans", "15 Jahre alt", "12jährige"),
        *("14 лет", "16歳", "17岁", "16살"),
        *("17_year_old", "17  year", "１７ year old", "not yet 18", "u18"),
    ],
    "languages": [
        *("少女", "子供の絵", "一个女孩", "小学生", "소녀", "девочка в парке", "мальчики"),
        *("ребёнок", "طفل", "ילד", "बच्चा", "เด็ก"),
        *("trẻ em", "bé gái", "ein kleines Kind", "das Kind", "bambini", "ragazzo"),
        *("menino", "jongetje", "dziecko", "pojke", "παιδί", "cocuklar", "anak", "shoujo", "loli", "gyerek"),
    ],
    "pictures": ["👧 in a hat", "a family 👨‍👩‍👧", "👶🏽", "🍼"],
}
NO_MINOR = {
    "alone": ["my girlfriend", "her boyfriend", "a cowgirl", "cowboys", "infantry on parade", "Babylon", "a canteen"],
    "ages": [
        *("an 18 year old", "21-year-old", "aged 40", "a 100 year old tree", "1,700 years", "in her forties"),
        *("seventeen apples", "17 apples", "the 19th century", "a nineteenth century map", "at 7 o'clock", "under 180"),
        *("30yo", "eighteen year old", "turning 30", "117 years", "born in 1970", "5 o'clock", "17:30"),
    ],
    "near": [
        *("soon", "a tenor", "tin", "kidney beans", "a sonata", "ladder", "laughter", "lasagne", "boycott"),
        *(
            "a gift",
            "a grill",
            "chilled wine",
            "a toddy",
            "ten men",
            "seen",
            "minority",
            "thirteen",
            "a bay",
            "kind of",
        ),
        *("an old man in a hat", "a woman on a horse", "adults only", "the mother of two sailors", "an elderly couple"),
    ],
    "figures": ["a 50mm lens", "8k uhd", "4 men", "3d render", "1990s film", "f/1.8", "--ar 16:9", "iso 100", "b&w"],
    "objects": ["a church", "an emoji of a rocket", "a golf ball in a room", "a dog * a cat", "c# code", "a b c"],
}
PERSON = {
    "full name": [
        "Ada Lovelace on a bench",
        "a photo of Vincent van Gogh",
        "J. R. Writer",
        "Jean-Paul Ecrit",
        "Ludwig II",
    ],
    "given name": ["portrait of emma", "maria in the sun", "PETER", "ｊｏｈｎ in a hat", "Émilie and Chloé"],
    "credit": ["a landscape by somegallery", "art by ssk", "by: nobodyknown", "by @someone", "a castle by Unknownish"],
    "title": ["mrs smithers", "Dr. Who-knows", "the president", "the pope", "a queen of somewhere", "first lady"],
    "known": ["a celebrity", "famous actress", "a movie star", "k-pop idols", "looks like aname", "the face of aname"],
    "handle": ["@someone in the park"],
}
NO_PERSON = {
    "by": [
        "a house by the sea",
        "a woman sitting by a window",
        "by night",
        "surrounded by flowers",
        "driving by on it",
    ],
    "capitals": ["A man in a hat", "New York City at night", "a Golden Retriever", "Unreal Engine", "Monday in May"],
    "common": [
        "a naked eye",
        "two women and a man",
        "a nurse and a doctor",
        "looks like a boat",
        "rose, hope and grace",
    ],
}


def cases(groups: dict[str, list[str]]) -> list[str]:
    return [case for group in groups.values() for case in group]


@pytest.mark.parametrize("text", cases(MINOR), ids=ascii)
def test_a_minor_is_known(text: str) -> None:
    assert names_minor(text)


@pytest.mark.parametrize("text", cases(NO_MINOR), ids=ascii)
def test_no_minor_is_left(text: str) -> None:
    assert not names_minor(text)


@pytest.mark.parametrize("text", cases(PERSON), ids=ascii)
def test_a_person_is_known(text: str) -> None:
    assert names_person(text)


@pytest.mark.parametrize("text", cases(NO_PERSON), ids=ascii)
def test_nobody_is_left(text: str) -> None:
    assert not names_person(text)


@given(st.sampled_from(sorted(MINORS)), st.text(st.characters(max_codepoint=0x2FFF), max_size=8))
def test_a_word_is_known_whatever_stands_around_it(word: str, around: str) -> None:
    assert names_minor(f"{around} {word} {around}") and names_minor(f"{around}, {word.upper()}. {around}")


@given(st.sampled_from(["girl", "child", "toddler", "boys", "teen"]), st.data())
def test_a_word_is_known_with_signs_between_its_letters(word: str, data: st.DataObject) -> None:
    gap = data.draw(st.sampled_from(["\u200b", "\u00ad", "\u2060", " ", "-", ".", "_", " - "]))
    assert names_minor(f"a {gap.join(word)} there")


@given(st.text())
def test_folding_is_once_for_all(text: str) -> None:
    assert fold(fold(text)) == fold(text) and visible(visible(text)) == visible(text)
    assert all(token == fold(token) for token in tokens(fold(text)))


def test_the_lists_are_folded_and_do_not_contradict_each_other() -> None:
    for words in (MINORS, EXEMPT, GIVEN_NAMES, TITLES, ROLES, NO_NAMES, NOT_A_CREDIT):
        assert [word for word in words if fold(word) != word] == []
    assert not MINORS & EXEMPT and not GIVEN_NAMES & NO_NAMES and not any(map(is_minor_word, EXEMPT))
