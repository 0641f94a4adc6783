"""Words and pairs of words, weighted by how rare they are (TF-IDF), and a linear model of them."""

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

MODALITIES = ("text",)
MOST_WORDS = 100_000


def answers(rows):
    """Logistic regression with C = 10, for numbers ridge regression: what tutorials on texts begin with."""
    texts = list(rows.contents())
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=MOST_WORDS, token_pattern=r"(?u)\S+")
    words.fit([texts[place] for place in rows.learned])
    return rows.fitted(words.transform(texts), lambda: LogisticRegression(C=10, max_iter=1000), Ridge)
