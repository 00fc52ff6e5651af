using System.Globalization;
using System.Text;

namespace Mesh.Model.Yaml;

/// <summary>
/// Where a value stands in its document, as a step from what holds it. The text is made when somebody asks: of a large resource nearly nobody does, and one with
/// long names above many values would cost the product of both.
/// </summary>
public sealed class FieldPath
{
    private const int CharsMax = 4096;
    private readonly FieldPath? owner;
    private readonly string? name;
    private readonly int index;

    private FieldPath(FieldPath? owner, string? name, int index) => (this.owner, this.name, this.index) = (owner, name, index);

    /// <param name="owner">Null at the top of a document.</param>
    public static FieldPath Field(FieldPath? owner, string name) => new(owner, name, 0);

    public static FieldPath Item(FieldPath? owner, int index) => new(owner, null, index);

    /// <summary>A path that is written already; empty is the top.</summary>
    public static FieldPath? Of(string text) => text.Length == 0 ? null : new(null, text, 0);

    /// <summary>For example <c>spec.http[0].route[1].weight</c>; what is too long to be read is cut.</summary>
    public override string ToString()
    {
        var steps = new Stack<FieldPath>();
        for (var step = this; step is not null; step = step.owner) steps.Push(step);

        var text = new StringBuilder();
        foreach (var step in steps)
        {
            if (step.name is null) text.Append(CultureInfo.InvariantCulture, $"[{step.index}]");
            else if (text.Length == 0) text.Append(step.name);
            else text.Append('.').Append(step.name);
            if (text.Length > CharsMax) return text.ToString(0, CharsMax) + "…";
        }
        return text.ToString();
    }
}
