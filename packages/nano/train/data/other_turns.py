"""User turns beyond the demonstration tools: everyday tools, invented tools, small talk, requests no tool fits."""
from __future__ import annotations

import json

from .pools import NOUNS, TITLES, Values
from .tools import names
from .turns import DONE, FAILED, NO_TOOL, NONE_FITS, Step, Turn, call_think, say


def one_call(v: Values, user: str, name: str, args: dict, result: str, answer: str, restate: list, error: str | None = None) -> Turn:
    if error is not None:
        return Turn(user, [Step(call_think(name), [(name, args)], [f"Error: {error}"])], FAILED, f"The tool failed: {error}.", name, [error])
    return Turn(user, [Step(call_think(name), [(name, args)], [result])], DONE, answer, name, restate)


def error_or(v: Values, forms: list[str]) -> str | None:
    return v.one(forms) if v.chance(0.07) else None


def get_weather(v: Values, ctx: dict) -> Turn:
    city, t, sky = v.city(), v.rng.randint(-20, 40), v.one(["sunny", "cloudy", "rain", "snow", "fog", "windy", "clear"])
    user = say(v, ["What is the weather in {c}?", "How is the weather in {c}?", "Weather in {c}?", "Is it cold in {c}?", "Tell me the weather in {c}.", "What's the weather like in {c}?"], c=city)
    r = json.dumps({"temperature": t, "sky": sky}) if v.chance(0.5) else f"{t} C, {sky}"
    return one_call(v, user, "get_weather", {"city": city}, r, f"In {city} it is {t} C, {sky}.", [str(t), sky], error_or(v, ["unknown city", "no connection", "timeout"]))


def add_event(v: Values, ctx: dict) -> Turn:
    title = v.one(TITLES) if v.chance(0.6) else f"{v.one(['meet', 'call', 'visit'])} {v.name()}"
    if v.chance(0.08):
        return Turn(say(v, ["Add {t} to my calendar.", "Put {t} in my calendar."], t=title), [], "The date and time are missing.", "On which date and at what time?", "clarify")
    d, t = v.date(), v.clock_time()
    user = say(v, ["Add {x} on {d} at {t}.", "Add {x} to my calendar on {d} at {t}.", "Put {x} on {d} at {t}.", "Schedule {x} for {d} at {t}."], x=title, d=d, t=t)
    return one_call(v, user, "add_event", {"title": title, "date": d, "time": t}, v.one(["ok", '{"status": "ok"}', "added"]), f"Added {title} on {d} at {t}.", [title, d, t], error_or(v, ["calendar is full", "no connection"]))


def read_file(v: Values, ctx: dict) -> Turn:
    p, s = v.path(), v.sentence()
    user = say(v, ["Read {p}.", "What is in {p}?", "Show me {p}.", "Open {p}.", "What does {p} say?"], p=p)
    return one_call(v, user, "read_file", {"path": p}, s, f"{p} says: {s}", [s], error_or(v, ["file not found", "permission denied"]))


def remember(v: Values, ctx: dict) -> Turn:
    k, x = v.one(NOUNS), v.one([v.word, v.name, v.number])()
    user = say(v, ["Remember that my {k} is {x}.", "My {k} is {x}, remember that.", "Store {x} as my {k}."], k=k, x=x)
    return one_call(v, user, "remember", {"key": k, "value": x}, v.one(["ok", "stored"]), f"I stored {k} = {x}.", [k, x])


def recall(v: Values, ctx: dict) -> Turn:
    k, x = v.one(NOUNS), v.one([v.word, v.name, v.number])()
    user = say(v, ["What is my {k}?", "Tell me my {k}.", "Do you know my {k}?"], k=k)
    return one_call(v, user, "recall", {"key": k}, x, f"Your {k} is {x}.", [x], error_or(v, ["no such key"]))


def set_timer(v: Values, ctx: dict) -> Turn:
    n = v.rng.randint(1, 120)
    user = say(v, ["Set a timer for {n} minutes.", "Start a timer of {n} minutes.", "Timer, {n} minutes.", "Wake me in {n} minutes."], n=n)
    return one_call(v, user, "set_timer", {"minutes": n}, v.one(["ok", "started"]), f"The timer is set for {n} minutes.", [str(n)])


def nonce(v: Values, ctx: dict, tool: dict) -> Turn:
    x = v.integer() if tool["number"] else v.one([v.word, v.name, v.word])()
    r = v.one([v.word, v.name, v.number])()
    kw = dict(n=tool["noun"], k=tool["kind"], x=x, t=tool["name"])
    user = say(v, ["Get the {n} of the {k} {x}.", "What is the {n} of {k} {x}?", "What is the {n} of the {k} {x}?", "Tell me the {n} of {k} {x}.", "Use {t} on {x}.", "Call {t} with {x}."], **kw)
    result = json.dumps({tool["noun"]: r}) if v.chance(0.3) else r
    return Turn(user, [Step(call_think(tool["name"]), [(tool["name"], {tool["param"]: x})], [result])], DONE, f"The {tool['noun']} is {r}.", "nonce", [r])


TALK = [
    (["Hello", "Hi", "Hi there!", "Hello!", "Hey", "Good morning.", "Good evening.", "Hi, how are you?"], "Hello! How can I help you?"),
    (["Who are you?", "What are you?", "What is your name?", "Introduce yourself.", "please introduce yourself", "Tell me about yourself."], "I am MiMo nano, a very small demonstration model."),
    (["Thanks!", "Thank you.", "Thanks a lot.", "Great, thanks!", "Cool, thank you!"], "You are welcome!"),
    (["Bye", "Goodbye.", "See you.", "Good night.", "Bye bye!"], "Goodbye!"),
    (["How are you?", "How do you do?", "How is it going?", "Are you well?"], "I am fine, thank you. How can I help you?"),
    (["Who made you?", "Who built you?", "Where do you come from?"], "I was trained by the MimoKit project on generated dialogues."),
    (["Are you a human?", "Are you a robot?", "Are you real?"], "No, I am a very small language model."),
    (["Tell me a joke.", "Say something funny.", "Do you know a joke?"], "Why did the tiny model cross the road? To get to the next token."),
    (["Ok", "Okay.", "I see.", "Good.", "Nice."], "Good. What is next?"),
    (["You are great!", "Well done.", "Good job!", "I like you."], "Thank you!"),
    (["That is wrong.", "No, this is not right.", "You made a mistake."], "I am sorry. I am very small and make mistakes."),
    (["Do you speak English?", "Which language do you speak?"], "I speak a little English."),
    (["Write a poem.", "Write me a story.", "Explain quantum physics.", "Who won the world cup?", "Write some code.", "Translate this to French.", "What do you think about politics?"],
     "Sorry, I am too small for that."),
]


def talk(v: Values, ctx: dict) -> Turn:
    r = v.rng.random()
    if r < 0.12:
        n = v.name()
        ctx["name"] = n
        return Turn(say(v, ["My name is {n}.", "I am {n}.", "Hi, I'm {n}.", "Call me {n}."], n=n), [], NO_TOOL, f"Nice to meet you, {n}!", "talk", [n])
    if ctx.get("name") and r < 0.6:
        return Turn(say(v, ["What is my name?", "Who am I?", "Do you know my name?"]), [], NO_TOOL, f"Your name is {ctx['name']}.", "talk", [ctx["name"]])
    if r < 0.2:
        tools = names(ctx["tools"])
        a = "I can use these tools: " + ", ".join(tools) + "." if tools else "I can chat a little. With tools I can do more."
        return Turn(say(v, ["What can you do?", "Which tools do you have?", "How can you help me?", "Help"]), [], NO_TOOL, a, "talk", tools)
    asks, a = v.one(TALK)
    return Turn(say(v, asks), [], NO_TOOL, a, "talk", [a])


EXTRA_TURNS = {"get_weather": get_weather, "add_event": add_event, "read_file": read_file, "remember": remember, "recall": recall, "set_timer": set_timer}


def refused(turn: Turn) -> Turn:
    """The same request where its tool is missing."""
    return Turn(turn.user, [], NONE_FITS, "I have no tool for that.", "refusal", ["I have no tool for that."])
