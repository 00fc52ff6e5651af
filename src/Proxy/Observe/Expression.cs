using System.Globalization;
using System.Text;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Observe;

/// <summary>
/// The part of the Common Expression Language that telemetry uses: comparisons, logic, arithmetic, attributes of a request and connection.
/// Read once, evaluated without recursion into anything but itself; an absent attribute is an error value, which no comparison turns into true.
/// </summary>
internal sealed class Expression
{
    private const int TextCharsMax = 8192;
    private const int DepthMax = 64;

    private readonly Node root;

    private Expression(Node root) => this.root = root;

    /// <exception cref="ConfigRefusedException">What does not parse, with the place.</exception>
    public static Expression Parse(string text)
    {
        if (text.Length > TextCharsMax) throw new ConfigRefusedException($"expression has {text.Length} characters, {TextCharsMax} are allowed");
        var parser = new Parser(text);
        return new(parser.ParseAll());
    }

    public ExpressionValue Evaluate(in FormatSource source) => root.Evaluate(source);

    /// <summary>True only for the value true: an error does not select.</summary>
    public bool IsTrue(in FormatSource source) => Evaluate(source) is { IsFlag: true, Flag: true };

    private abstract class Node
    {
        public abstract ExpressionValue Evaluate(in FormatSource source);
    }

    private sealed class Literal(ExpressionValue value) : Node
    {
        public override ExpressionValue Evaluate(in FormatSource source) => value;
    }

    private sealed class ListNode(Node[] items) : Node
    {
        public Node[] Items => items;
        public override ExpressionValue Evaluate(in FormatSource source) => ExpressionValue.Error;
    }

    private sealed class Attribute(string path) : Node
    {
        public string Path => path;
        public override ExpressionValue Evaluate(in FormatSource source) => ExpressionAttributes.Read(source, path, null);
    }

    private sealed class Lookup(string path, Node key) : Node
    {
        public override ExpressionValue Evaluate(in FormatSource source) =>
            key.Evaluate(source) is { Text: { } name } ? ExpressionAttributes.Read(source, path, name) : ExpressionValue.Error;
    }

    private sealed class Has(Node inner) : Node
    {
        public override ExpressionValue Evaluate(in FormatSource source) => ExpressionValue.Of(!inner.Evaluate(source).IsError);
    }

    private sealed class Unary(char op, Node inner) : Node
    {
        public override ExpressionValue Evaluate(in FormatSource source)
        {
            var value = inner.Evaluate(source);
            if (op == '!') return value.IsFlag ? ExpressionValue.Of(!value.Flag) : ExpressionValue.Error;
            return value.IsNumber ? ExpressionValue.Of(-value.Number) : ExpressionValue.Error;
        }
    }

    private sealed class Logic(bool isAnd, Node left, Node right) : Node
    {
        // An error on one side is outvoted by a decisive other side, as CEL has it.
        public override ExpressionValue Evaluate(in FormatSource source)
        {
            var first = left.Evaluate(source);
            if (first.IsFlag && first.Flag != isAnd) return first;
            var second = right.Evaluate(source);
            if (second.IsFlag && second.Flag != isAnd) return second;
            return first.IsFlag && second.IsFlag ? ExpressionValue.Of(isAnd) : ExpressionValue.Error;
        }
    }

    private sealed class Choice(Node condition, Node yes, Node no) : Node
    {
        public override ExpressionValue Evaluate(in FormatSource source) =>
            condition.Evaluate(source) is { IsFlag: true } value ? value.Flag ? yes.Evaluate(source) : no.Evaluate(source) : ExpressionValue.Error;
    }

    private sealed class Binary(string op, Node left, Node right) : Node
    {
        public override ExpressionValue Evaluate(in FormatSource source)
        {
            var first = left.Evaluate(source);
            if (op == "in") return In(first, source);

            var second = right.Evaluate(source);
            if (first.IsError || second.IsError) return ExpressionValue.Error;
            if (op == "==") return ExpressionValue.Of(first.Equals(second));
            if (op == "!=") return ExpressionValue.Of(!first.Equals(second));
            if (first.IsNumber && second.IsNumber) return Numbers(first.Number, second.Number);
            if (first.Text is { } a && second.Text is { } b) return op == "+" ? ExpressionValue.Error : Order(string.CompareOrdinal(a, b)); // Envoy does not join texts
            return ExpressionValue.Error;
        }

        private ExpressionValue In(ExpressionValue wanted, in FormatSource source)
        {
            if (wanted.IsError) return wanted;
            if (right is Attribute headers && wanted.Text is { } name) return ExpressionAttributes.Contains(source, headers.Path, name);
            if (right is not ListNode list) return ExpressionValue.Error;
            foreach (var item in list.Items)
                if (item.Evaluate(source).Equals(wanted)) return ExpressionValue.Of(true);
            return ExpressionValue.Of(false);
        }

        private ExpressionValue Numbers(double a, double b) => op switch
        {
            "+" => ExpressionValue.Of(a + b),
            "-" => ExpressionValue.Of(a - b),
            "*" => ExpressionValue.Of(a * b),
            "/" => b == 0 ? ExpressionValue.Error : ExpressionValue.Of(a / b),
            "%" => b == 0 ? ExpressionValue.Error : ExpressionValue.Of(a % b),
            _ => Order(a.CompareTo(b)),
        };

        private ExpressionValue Order(int order) => op switch
        {
            "<" => ExpressionValue.Of(order < 0),
            "<=" => ExpressionValue.Of(order <= 0),
            ">" => ExpressionValue.Of(order > 0),
            ">=" => ExpressionValue.Of(order >= 0),
            _ => ExpressionValue.Error,
        };
    }

    private sealed class Call(string name, Node? target, Node[] arguments, LinearPattern? pattern) : Node
    {
        public override ExpressionValue Evaluate(in FormatSource source)
        {
            var value = (target ?? arguments[0]).Evaluate(source);
            if (value.IsError) return value;
            switch (name)
            {
                case "size": return value.Text is { } counted ? ExpressionValue.Of(counted.Length) : ExpressionValue.Error;
                case "string": return ExpressionValue.Of(value.ToString());
                case "int" or "uint" or "double": return value.IsNumber ? value : Number(value);
                case "timestamp": return value.Text is { } instant && DateTimeOffset.TryParse(instant, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
                    ? ExpressionValue.Of(at.ToUnixTimeMilliseconds() / 1000.0) : ExpressionValue.Error;
                case "duration": return value.Text is { } text && ExpressionValue.TryDuration(text, out var seconds) ? ExpressionValue.Of(seconds) : ExpressionValue.Error;
                case "lowerAscii": return value.Text is { } upper ? ExpressionValue.Of(upper.ToLowerInvariant()) : ExpressionValue.Error;
                case "matches" when pattern is not null: return value.Text is { } matched ? ExpressionValue.Of(pattern.IsSearchMatch(matched)) : ExpressionValue.Error;
            }
            if (value.Text is not { } subject || arguments.Length == 0 || arguments[0].Evaluate(source).Text is not { } argument) return ExpressionValue.Error;
            return name switch
            {
                "startsWith" => ExpressionValue.Of(subject.StartsWith(argument, StringComparison.Ordinal)),
                "endsWith" => ExpressionValue.Of(subject.EndsWith(argument, StringComparison.Ordinal)),
                "contains" => ExpressionValue.Of(subject.Contains(argument, StringComparison.Ordinal)),
                _ => ExpressionValue.Error,
            };
        }

        private static ExpressionValue Number(ExpressionValue value) =>
            double.TryParse(value.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? ExpressionValue.Of(number) : ExpressionValue.Error;
    }

    private sealed class Parser(string text)
    {
        private static readonly string[] Functions =
            ["size", "string", "int", "uint", "double", "duration", "timestamp", "has", "matches", "startsWith", "endsWith", "contains", "lowerAscii"];

        private int at;
        private int depth;

        public Node ParseAll()
        {
            var node = ParseChoice();
            Skip();
            return at == text.Length ? node : throw Refuse($"'{text[at]}' is not expected");
        }

        private Node ParseChoice()
        {
            if (++depth > DepthMax) throw Refuse($"nested deeper than {DepthMax}");
            var condition = ParseOr();
            if (Take("?"))
            {
                var yes = ParseChoice();
                Expect(":");
                condition = new Choice(condition, yes, ParseChoice());
            }
            depth--;
            return condition;
        }

        private Node ParseOr()
        {
            var left = ParseAnd();
            while (Take("||")) left = new Logic(false, left, ParseAnd());
            return left;
        }

        private Node ParseAnd()
        {
            var left = ParseComparison();
            while (Take("&&")) left = new Logic(true, left, ParseComparison());
            return left;
        }

        private Node ParseComparison()
        {
            var left = ParseSum();
            foreach (var op in (ReadOnlySpan<string>)["==", "!=", "<=", ">=", "<", ">"])
                if (Take(op)) return new Binary(op, left, ParseSum());
            if (TakeWord("in")) return new Binary("in", left, ParseSum());
            return left;
        }

        private Node ParseSum()
        {
            var left = ParseProduct();
            while (true)
            {
                if (Take("+")) left = new Binary("+", left, ParseProduct());
                else if (Take("-")) left = new Binary("-", left, ParseProduct());
                else return left;
            }
        }

        private Node ParseProduct()
        {
            var left = ParseUnary();
            while (true)
            {
                if (Take("*")) left = new Binary("*", left, ParseUnary());
                else if (Take("/")) left = new Binary("/", left, ParseUnary());
                else if (Take("%")) left = new Binary("%", left, ParseUnary());
                else return left;
            }
        }

        private Node ParseUnary()
        {
            if (++depth > DepthMax) throw Refuse($"nested deeper than {DepthMax}");
            var node = At("!") && !At("!=") && Take("!") ? new Unary('!', ParseUnary()) : Take("-") ? new Unary('-', ParseUnary()) : ParsePostfix();
            depth--;
            return node;
        }

        private Node ParsePostfix()
        {
            var (node, path) = ParsePrimary();
            while (true)
            {
                if (Take("."))
                {
                    var name = Name();
                    if (Take("("))
                    {
                        node = MakeCall(name, node ?? new Attribute(path), ParseArguments());
                        path = "";
                    }
                    else
                    {
                        if (node is not null) throw Refuse($"'.{name}' of something that has no fields");
                        path = $"{path}.{name}";
                    }
                }
                else if (node is null && Take("["))
                {
                    var key = ParseChoice();
                    Expect("]");
                    // A constant key is part of the path, so that a.b and a['b'] are the same.
                    if (key is Literal && path.Contains("metadata", StringComparison.Ordinal) && key.Evaluate(default) is { IsError: false } constant) path = $"{path}.{Escape(constant.ToString())}";
                    else node = new Lookup(path, key);
                }
                else
                {
                    return node ?? new Attribute(path);
                }
            }
        }

        private static string Escape(string key) => key.Replace(".", "\u0001", StringComparison.Ordinal);

        private (Node? Node, string Path) ParsePrimary()
        {
            Skip();
            if (at == text.Length) throw Refuse("ends too early");
            var c = text[at];
            if (Take("("))
            {
                var inner = ParseChoice();
                Expect(")");
                return (inner, "");
            }
            if (Take("[")) return (new ListNode(ParseList("]")), "");
            if (c is '"' or '\'') return (new Literal(ExpressionValue.Of(Quoted(c))), "");
            if (char.IsAsciiDigit(c)) return (new Literal(ExpressionValue.Of(Number())), "");

            var name = Name();
            if (name is "true" or "false") return (new Literal(ExpressionValue.Of(name == "true")), "");
            if (name == "null") return (new Literal(ExpressionValue.Null), "");
            if (!Take("(")) return (null, name);
            return (MakeCall(name, null, ParseArguments()), "");
        }

        private Call MakeFunction(string name, Node? target, Node[] arguments)
        {
            LinearPattern? pattern = null;
            if (name == "matches")
            {
                var source = arguments.Length > 0 ? arguments[^1].Evaluate(default).Text : null;
                pattern = source is null ? throw Refuse("matches() wants a constant pattern") : LinearPattern.Compile(source);
            }
            if (target is null && arguments.Length == 0) throw Refuse($"{name}() wants an argument");
            return new(name, target, arguments, pattern);
        }

        private Node MakeCall(string name, Node? target, Node[] arguments)
        {
            if (!Functions.Contains(name)) throw Refuse($"function '{name}' is not known");
            if (name != "has") return MakeFunction(name, target, arguments);
            return arguments.Length == 1 ? new Has(arguments[0]) : throw Refuse("has() wants one argument");
        }

        private Node[] ParseArguments() => ParseList(")");

        private Node[] ParseList(string end)
        {
            var items = new List<Node>();
            if (Take(end)) return [];
            do items.Add(ParseChoice());
            while (Take(","));
            Expect(end);
            return [.. items];
        }

        private double Number()
        {
            var from = at;
            while (at < text.Length && (char.IsAsciiDigit(text[at]) || text[at] == '.' && at + 1 < text.Length && char.IsAsciiDigit(text[at + 1]))) at++;
            var digits = text.AsSpan(from, at - from);
            if (at < text.Length && text[at] is 'u' or 'U') at++;
            return double.Parse(digits, NumberStyles.Float, CultureInfo.InvariantCulture);
        }

        private string Quoted(char quote)
        {
            var result = new StringBuilder();
            for (at++; at < text.Length; at++)
            {
                if (text[at] == quote)
                {
                    at++;
                    return result.ToString();
                }
                if (text[at] == '\\' && at + 1 < text.Length)
                {
                    at++;
                    result.Append(text[at] switch { 'n' => '\n', 't' => '\t', 'r' => '\r', var other => other });
                }
                else
                {
                    result.Append(text[at]);
                }
            }
            throw Refuse("a string has no end");
        }

        private string Name()
        {
            Skip();
            var from = at;
            while (at < text.Length && (char.IsAsciiLetterOrDigit(text[at]) || text[at] == '_')) at++;
            return at > from ? text[from..at] : throw Refuse(at < text.Length ? $"'{text[at]}' is not expected" : "ends too early");
        }

        private bool At(string token)
        {
            Skip();
            return string.CompareOrdinal(text, at, token, 0, token.Length) == 0;
        }

        private bool Take(string token)
        {
            if (!At(token)) return false;
            at += token.Length;
            return true;
        }

        private bool TakeWord(string word)
        {
            if (!At(word) || at + word.Length < text.Length && char.IsAsciiLetterOrDigit(text[at + word.Length])) return false;
            at += word.Length;
            return true;
        }

        private void Expect(string token)
        {
            if (!Take(token)) throw Refuse($"'{token}' is expected");
        }

        private void Skip()
        {
            while (at < text.Length && char.IsWhiteSpace(text[at])) at++;
        }

        private ConfigRefusedException Refuse(string why) => new($"expression '{text}': at {at}: {why}");
    }
}
