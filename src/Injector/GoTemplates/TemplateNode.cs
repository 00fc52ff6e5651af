using System.Collections.Immutable;
using System.Text.Json.Nodes;

namespace Mesh.Injector.GoTemplates;

/// <summary>A piece of a parsed template.</summary>
internal abstract record TemplateNode(int Line);

internal sealed record TextNode(int Line, string Text) : TemplateNode(Line);

/// <summary>A value that is printed, or only put into a variable.</summary>
internal sealed record ActionNode(int Line, Pipeline Pipeline) : TemplateNode(Line);

internal sealed record IfNode(int Line, Pipeline Condition, ImmutableArray<TemplateNode> Then, ImmutableArray<TemplateNode> Else) : TemplateNode(Line);

/// <summary>Like if, with the dot set to the condition's value.</summary>
internal sealed record WithNode(int Line, Pipeline Value, ImmutableArray<TemplateNode> Then, ImmutableArray<TemplateNode> Else) : TemplateNode(Line);

internal sealed record RangeNode(int Line, string? Key, string? Item, Pipeline Over, ImmutableArray<TemplateNode> Body, ImmutableArray<TemplateNode> Else) : TemplateNode(Line);

internal sealed record CallNode(int Line, string Name, Pipeline? Argument) : TemplateNode(Line);

/// <param name="Variable">Set when the pipeline's value goes into a variable.</param>
/// <param name="Declares">True for :=, false for =.</param>
internal sealed record Pipeline(ImmutableArray<TemplateCommand> Commands, string? Variable = null, bool Declares = false);

/// <summary>A function with its arguments, or a single value.</summary>
internal sealed record TemplateCommand(ImmutableArray<Operand> Words);

internal abstract record Operand;
internal sealed record Literal(JsonNode? Value) : Operand;
internal sealed record FunctionName(string Name) : Operand;
/// <summary>A chain of fields from the dot (Variable null), from a variable, or from a parenthesis.</summary>
internal sealed record FieldChain(string? Variable, Pipeline? Inner, ImmutableArray<string> Fields) : Operand;
