using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Mesh.Injector.GoTemplates;

/// <summary>Tokens to a tree. Named templates ({{define}}) go into a table of their own.</summary>
internal sealed class TemplateParser(List<TemplateToken> tokens, IDictionary<string, ImmutableArray<TemplateNode>> definitions)
{
    private const int DepthMax = 100; // bounds the recursion on a template that someone else wrote

    private int at;
    private int depth;

    private TemplateToken Current => tokens[at];

    public ImmutableArray<TemplateNode> Document()
    {
        var body = Body(out var end);
        return end is null ? body : throw Error($"unexpected {{{{{end}}}}}");
    }

    /// <param name="end">The word that ended the body ("end", "else"); null at the end of the text.</param>
    private ImmutableArray<TemplateNode> Body(out string? end)
    {
        if (++depth > DepthMax) throw Error($"nested deeper than {DepthMax}");

        var nodes = ImmutableArray.CreateBuilder<TemplateNode>();
        end = null;
        while (Current.Kind != TokenKind.End)
        {
            if (Current.Kind == TokenKind.Text)
            {
                nodes.Add(new TextNode(Current.Line, Current.Text));
                at++;
                continue;
            }
            Expect(TokenKind.Open);
            if (Current.Kind == TokenKind.Word && Current.Text is "end" or "else")
            {
                end = Current.Text;
                at++;
                if (end == "end") Expect(TokenKind.Close);
                break;
            }
            if (Action() is { } node) nodes.Add(node);
        }
        depth--;
        return nodes.ToImmutable();
    }

    private TemplateNode? Action()
    {
        var line = Current.Line;
        var word = Current.Kind == TokenKind.Word ? Current.Text : null;
        switch (word)
        {
            case "if":
                at++;
                return If(line);
            case "with":
                at++;
                var value = ClosedPipeline();
                var (then, otherwise) = Branches();
                return new WithNode(line, value, then, otherwise);
            case "range":
                at++;
                return Range(line);
            case "define":
                at++;
                var name = Expect(TokenKind.String).Text;
                Expect(TokenKind.Close);
                definitions[name] = Body(out var end);
                return end == "end" ? null : throw Error("{{define}} is not closed");
            case "template":
                at++;
                var called = Expect(TokenKind.String).Text;
                var argument = Current.Kind == TokenKind.Close ? null : Pipeline();
                Expect(TokenKind.Close);
                return new CallNode(line, called, argument);
            default:
                return new ActionNode(line, ClosedPipeline());
        }
    }

    private IfNode If(int line)
    {
        var condition = ClosedPipeline();
        var (then, otherwise) = Branches();
        return new(line, condition, then, otherwise);
    }

    private (ImmutableArray<TemplateNode> Then, ImmutableArray<TemplateNode> Else) Branches()
    {
        var then = Body(out var end);
        if (end == "end") return (then, []);
        if (end is null) throw Error("{{end}} is missing");

        if (Current is { Kind: TokenKind.Word, Text: "if" })
        {
            var line = Current.Line;
            at++;
            return (then, [If(line)]);
        }
        Expect(TokenKind.Close);
        var otherwise = Body(out end);
        return end == "end" ? (then, otherwise) : throw Error("{{end}} is missing");
    }

    private RangeNode Range(int line)
    {
        string? key = null, item = null;
        if (Current.Kind == TokenKind.Variable && tokens[at + 1].Kind is TokenKind.Comma or TokenKind.Declare)
        {
            item = tokens[at++].Text;
            if (Current.Kind == TokenKind.Comma)
            {
                at++;
                (key, item) = (item, Expect(TokenKind.Variable).Text);
            }
            Expect(TokenKind.Declare);
        }
        var over = ClosedPipeline();
        var (body, otherwise) = Branches();
        return new(line, key, item, over, body, otherwise);
    }

    private Pipeline ClosedPipeline()
    {
        var pipeline = Pipeline();
        Expect(TokenKind.Close);
        return pipeline;
    }

    private Pipeline Pipeline()
    {
        string? variable = null;
        var declares = false;
        if (Current.Kind == TokenKind.Variable && tokens[at + 1].Kind is TokenKind.Declare or TokenKind.Assign)
        {
            variable = tokens[at++].Text;
            declares = tokens[at++].Kind == TokenKind.Declare;
        }

        var commands = ImmutableArray.CreateBuilder<TemplateCommand>();
        while (true)
        {
            var words = ImmutableArray.CreateBuilder<Operand>();
            while (Current.Kind is not (TokenKind.Close or TokenKind.Pipe or TokenKind.RightParen or TokenKind.End)) words.Add(Operand());
            if (words.Count == 0) throw Error("a value is missing");
            commands.Add(new(words.ToImmutable()));
            if (Current.Kind != TokenKind.Pipe) return new(commands.ToImmutable(), variable, declares);
            at++;
        }
    }

    private Operand Operand()
    {
        var token = tokens[at++];
        switch (token.Kind)
        {
            case TokenKind.String: return new Literal(JsonValue.Create(token.Text));
            case TokenKind.Number: return new Literal(Number(token));
            case TokenKind.Dot: return new FieldChain(null, null, []);
            case TokenKind.Field: return new FieldChain(null, null, [token.Text, .. Fields()]);
            case TokenKind.Variable: return new FieldChain(token.Text, null, Fields());
            case TokenKind.Word when token.Text is "true" or "false": return new Literal(JsonValue.Create(token.Text == "true"));
            case TokenKind.Word when token.Text == "nil": return new Literal(null);
            case TokenKind.Word: return new FunctionName(token.Text);
            case TokenKind.LeftParen:
                if (++depth > DepthMax) throw Error($"nested deeper than {DepthMax}");
                var inner = Pipeline();
                depth--;
                Expect(TokenKind.RightParen);
                return new FieldChain(null, inner, Fields());
            default:
                at--;
                throw Error($"unexpected \"{token.Text}\"");
        }
    }

    private ImmutableArray<string> Fields()
    {
        var fields = ImmutableArray.CreateBuilder<string>();
        while (Current is { Kind: TokenKind.Field, SpaceBefore: false }) fields.Add(tokens[at++].Text);
        return fields.ToImmutable();
    }

    private JsonNode Number(TemplateToken token)
    {
        if (long.TryParse(token.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole)) return JsonValue.Create(whole);
        return double.TryParse(token.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? JsonValue.Create(number) : throw Error($"\"{token.Text}\" is no number");
    }

    private TemplateToken Expect(TokenKind kind) => Current.Kind == kind ? tokens[at++] : throw Error($"unexpected \"{Current.Text}\"");

    private FormatException Error(string what) => new($"line {Current.Line}: {what}");
}
