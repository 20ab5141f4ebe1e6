"""What a page holds, by the standard library's parser."""

from html.parser import HTMLParser

VOID = {"meta", "link", "input", "img", "br", "hr", "rect", "use", "path"}


class Page(HTMLParser):
  """`elements` are (tag, attributes, text inside it, tags around it)."""

  def __init__(self, html):
    super().__init__(convert_charrefs=True)
    self.elements, self._open, self.unclosed = [], [], []
    self.feed(html)
    self.close()

  def handle_starttag(self, tag, attrs):
    element = [tag, dict(attrs), "", [each[0] for each in self._open]]
    self.elements.append(element)
    if tag not in VOID:
      self._open.append(element)

  def handle_startendtag(self, tag, attrs):
    self.elements.append([tag, dict(attrs), "", [each[0] for each in self._open]])

  def handle_endtag(self, tag):
    if tag in VOID:
      return
    if not self._open or self._open[-1][0] != tag:
      self.unclosed.append((tag, [each[0] for each in self._open]))
    while self._open and self._open.pop()[0] != tag:
      pass

  def handle_data(self, data):
    for element in self._open:
      element[2] += data

  def all(self, *tags):
    return [element for element in self.elements if element[0] in tags]

  def texts(self, *tags):
    return [" ".join(element[2].split()) for element in self.all(*tags)]

  def by_id(self, name):
    return next(element for element in self.elements if element[1].get("id") == name)
