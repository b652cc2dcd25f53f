"""Write the ops of StableHLO's check dialect, which jaxlib does not have, as the custom calls that testdata uses.

check.expect_eq_const %0, dense<1> : tensor<i64>
->
%check0 = stablehlo.constant dense<1> : tensor<i64>
"stablehlo.custom_call"(%0, %check0) {call_target_name = "check.expect_eq", ...} : (tensor<i64>, tensor<i64>) -> ()
"""

import re

CHECK = re.compile(r'^[ \t]*"?check\.(expect_(?:eq|almost_eq|close))(_const)?"?\b', re.MULTILINE)
RUN_PARALLEL = "interpreter.run_parallel"  # runs a function on several devices (parallel_module.py)
OPENING, CLOSING = "<[({", ">])}"


def modules_of(text):
    """Return the modules of a file, which are separated by lines `// -----`, as (number, text), those with code."""
    parts = re.split(r"^// -----.*$", text, flags=re.MULTILINE)
    return [(i, part) for i, part in enumerate(parts) if re.search(r"func\.func|module", part)]


def rewrite_checks(text):
    """Return the text with custom calls in place of the ops of the check dialect."""
    out, end = [], 0
    for number, match in enumerate(CHECK.finditer(text)):
        out.append(text[end : match.start()])
        kind, constant = match.groups()
        operands = re.compile(r"%[\w#]+").findall(text[match.end() : text.index("\n", match.end())])
        if constant:
            literal = text.index("dense<", match.end())
            after = bracketed(text, literal)
            start = text.index("tensor<", after)
            end = bracketed(text, start)
            type = text[start:end]
            operands = [operands[0], f"%check{number}"]
            out.append(f"{operands[1]} = stablehlo.constant {text[literal:after]} : {type}\n")
        else:
            start = text.index("tensor<", match.end())
            end = bracketed(text, start)
            type = text[start:end]
        end = text.index("\n", end)
        tolerance = re.search(r"tolerance = ([-+.\deE]+)", text[match.end() : end])
        out.append(
            f'"stablehlo.custom_call"({operands[0]}, {operands[1]}) {{call_target_name = "check.{kind}", '
            f'has_side_effect = true, backend_config = "{tolerance[1] if tolerance else ""}"}} : ({type}, {type}) -> ()'
        )
    return "".join(out) + text[end:]


def bracketed(text, start):
    """Return the end of `name<...>` at `start`; brackets in quotes do not count."""
    depth, quoted = 0, False
    for i in range(start, len(text)):
        if text[i] == '"':
            quoted = not quoted
        elif not quoted and text[i] in OPENING:
            depth += 1
        elif not quoted and text[i] in CLOSING and text[i - 1 : i + 1] != "->":
            depth -= 1
            if depth == 0:
                return i + 1
    raise ValueError(f"[conformance] unbalanced brackets after {text[start : start + 40]!r}")
