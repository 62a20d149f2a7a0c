"""The built site, looked at in a real browser: `make browser`.

needs      is there a Chromium, Playwright and axe-core?
session    the site served on this machine, a browser that reaches nothing else, and what pages do wrong
pages      each page at three widths, light and dark, over http and from disk (the .js files)
check      all of it, and the report
links      every link and anchor within the site leads somewhere
reader     the search, the theme switch, printing
speed      how long until the first screen stands, and what it weighs
"""
