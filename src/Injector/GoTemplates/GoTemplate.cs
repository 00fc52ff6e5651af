using System.Collections.Immutable;
using System.Text;
using System.Text.Json.Nodes;

namespace Mesh.Injector.GoTemplates;

/// <summary>
/// The part of Go's template language that charts and injection templates are written in. Data is JSON; a function that is not known
/// is an error when the template runs, with the line it stands in. Bounded: output, loops and recursion.
/// </summary>
public sealed class GoTemplate
{
    private const int OutputCharsMax = 4_000_000;
    private const int StepsMax = 1_000_000;
    private const int CallDepthMax = 50;

    private readonly ImmutableArray<TemplateNode> body;
    private readonly Dictionary<string, ImmutableArray<TemplateNode>> definitions;

    private GoTemplate(ImmutableArray<TemplateNode> body, Dictionary<string, ImmutableArray<TemplateNode>> definitions) => (this.body, this.definitions) = (body, definitions);

    /// <param name="shared">Templates whose {{define}}s this one may call.</param>
    /// <exception cref="FormatException">The text is no template.</exception>
    public static GoTemplate Parse(string text, params ReadOnlySpan<GoTemplate> shared)
    {
        var definitions = new Dictionary<string, ImmutableArray<TemplateNode>>(StringComparer.Ordinal);
        foreach (var other in shared)
            foreach (var (name, nodes) in other.definitions) definitions[name] = nodes;
        return new(new TemplateParser(TemplateLexer.Read(text), definitions).Document(), definitions);
    }

    /// <exception cref="FormatException">The template cannot be carried out on this data; says where and why.</exception>
    public string Render(JsonNode? data, TemplateFunctions? functions = null)
    {
        var run = new Run(definitions, functions ?? new TemplateFunctions());
        var scope = new Scope(null);
        scope.Declare("$", data);
        run.Nodes(body, data, scope);
        return run.Output.ToString();
    }

    private sealed class Scope(Scope? outer)
    {
        private readonly Dictionary<string, JsonNode?> variables = new(StringComparer.Ordinal);

        public void Declare(string name, JsonNode? value) => variables[name] = value;

        public bool TryGet(string name, out JsonNode? value) => variables.TryGetValue(name, out value) || outer is not null && outer.TryGet(name, out value);

        public bool Assign(string name, JsonNode? value)
        {
            if (!variables.ContainsKey(name)) return outer?.Assign(name, value) ?? false;
            variables[name] = value;
            return true;
        }
    }

    private sealed class Run(Dictionary<string, ImmutableArray<TemplateNode>> definitions, TemplateFunctions functions)
    {
        private int steps;
        private int calls;
        private int line;

        public StringBuilder Output { get; private set; } = new();

        public void Nodes(ImmutableArray<TemplateNode> nodes, JsonNode? dot, Scope scope)
        {
            foreach (var node in nodes)
            {
                line = node.Line;
                if (++steps > StepsMax) throw Error($"more than {StepsMax} steps");
                if (Output.Length > OutputCharsMax) throw Error($"more than {OutputCharsMax} characters");
                One(node, dot, scope);
            }
        }

        private void One(TemplateNode node, JsonNode? dot, Scope scope)
        {
            switch (node)
            {
                case TextNode text:
                    Output.Append(text.Text);
                    break;
                case ActionNode action:
                    var value = Evaluate(action.Pipeline, dot, scope);
                    if (action.Pipeline.Variable is null) Output.Append(TemplateFunctions.Print(value));
                    break;
                case IfNode branch:
                    var inner = new Scope(scope);
                    Nodes(Evaluate(branch.Condition, dot, inner).IsEmpty() ? branch.Else : branch.Then, dot, inner);
                    break;
                case WithNode with:
                    var within = new Scope(scope);
                    var chosen = Evaluate(with.Value, dot, within);
                    if (chosen.IsEmpty()) Nodes(with.Else, dot, within);
                    else Nodes(with.Then, chosen, within);
                    break;
                case RangeNode range:
                    Range(range, dot, scope);
                    break;
                case CallNode call:
                    Call(call.Name, call.Argument is null ? null : Evaluate(call.Argument, dot, scope));
                    break;
            }
        }

        private void Range(RangeNode range, JsonNode? dot, Scope scope)
        {
            var over = Evaluate(range.Over, dot, scope);
            IEnumerable<(JsonNode? Key, JsonNode? Value)> items = over switch
            {
                JsonArray list => list.Select((value, index) => ((JsonNode?)JsonValue.Create(index), value)),
                JsonObject map => map.OrderBy(entry => entry.Key, StringComparer.Ordinal).Select(entry => ((JsonNode?)JsonValue.Create(entry.Key), entry.Value)),
                null => [],
                _ => throw Error($"range can't iterate over {TemplateFunctions.Print(over)}"),
            };

            var any = false;
            foreach (var (key, item) in items.ToList())
            {
                any = true;
                var inner = new Scope(scope);
                if (range.Key is not null) inner.Declare(range.Key, key);
                if (range.Item is not null) inner.Declare(range.Item, item);
                Nodes(range.Body, item, inner);
            }
            if (!any) Nodes(range.Else, dot, new Scope(scope));
        }

        private void Call(string name, JsonNode? argument)
        {
            if (!definitions.TryGetValue(name, out var nodes)) throw Error($"template \"{name}\" is not defined");
            if (++calls > CallDepthMax) throw Error($"templates call each other deeper than {CallDepthMax}");

            var scope = new Scope(null);
            scope.Declare("$", argument);
            Nodes(nodes, argument, scope);
            calls--;
        }

        private JsonNode? Evaluate(Pipeline pipeline, JsonNode? dot, Scope scope)
        {
            JsonNode? value = null;
            for (var i = 0; i < pipeline.Commands.Length; i++)
                value = Command(pipeline.Commands[i], dot, scope, i > 0, value);

            if (pipeline.Variable is not { } variable) return value;
            if (pipeline.Declares) scope.Declare(variable, value);
            else if (!scope.Assign(variable, value)) throw Error($"undefined variable {variable}");
            return value;
        }

        private JsonNode? Command(TemplateCommand command, JsonNode? dot, Scope scope, bool piped, JsonNode? pipedValue)
        {
            if (command.Words[0] is not FunctionName function)
            {
                if (command.Words.Length > 1 || piped) throw Error("a value that is no function has arguments");
                return Value(command.Words[0], dot, scope);
            }
            // These two stop at the first operand that decides, so that what follows may rely on it.
            if (function.Name is "and" or "or" && !piped)
            {
                JsonNode? last = null;
                foreach (var word in command.Words.AsSpan()[1..])
                {
                    last = Value(word, dot, scope);
                    if (last.IsEmpty() == (function.Name == "and")) break;
                }
                return last;
            }

            List<JsonNode?> arguments = [];
            foreach (var word in command.Words.AsSpan()[1..]) arguments.Add(Value(word, dot, scope));
            if (piped) arguments.Add(pipedValue);
            if (function.Name == "include") return Include(arguments);
            try
            {
                return functions.Call(function.Name, arguments);
            }
            catch (FormatException e)
            {
                throw Error($"{function.Name}: {e.Message}");
            }
        }

        private JsonNode Include(List<JsonNode?> arguments)
        {
            var outer = Output;
            Output = new();
            Call(arguments.Count > 0 ? arguments[0].Text() ?? "" : "", arguments.Count > 1 ? arguments[1] : null);
            var text = Output.ToString();
            Output = outer;
            return JsonValue.Create(text);
        }

        private JsonNode? Value(Operand operand, JsonNode? dot, Scope scope)
        {
            switch (operand)
            {
                case Literal literal: return literal.Value;
                case FunctionName function: return functions.Call(function.Name, []);
                case FieldChain chain:
                    JsonNode? start;
                    if (chain.Inner is not null) start = Evaluate(chain.Inner, dot, scope);
                    else if (chain.Variable is null) start = dot;
                    else if (!scope.TryGet(chain.Variable, out start)) throw Error($"undefined variable {chain.Variable}");
                    foreach (var field in chain.Fields) start = functions.Field(start, field);
                    return start;
                default: throw Error("unknown operand");
            }
        }

        private FormatException Error(string what) => new($"line {line}: {what}");
    }
}
