using System.Globalization;

namespace Mesh.Cli.Demo;

/// <summary>One line of Prometheus' text format: name{label="value",…} number.</summary>
internal sealed record Sample(string Name, IReadOnlyDictionary<string, string> Labels, double Value)
{
    /// <returns>Empty when the sample has no such label.</returns>
    public string Label(string name) => Labels.GetValueOrDefault(name, "");

    public static IEnumerable<Sample> Read(string text)
    {
        foreach (var line in text.Split('\n'))
            if (line.Length > 0 && line[0] != '#' && TryRead(line, out var sample)) yield return sample;
    }

    internal static bool TryRead(string line, out Sample sample)
    {
        sample = null!;
        var labels = new Dictionary<string, string>();
        var open = line.IndexOf('{', StringComparison.Ordinal);
        var nameEnd = open < 0 ? line.IndexOf(' ', StringComparison.Ordinal) : open;
        if (nameEnd <= 0) return false;

        var at = nameEnd;
        if (open >= 0 && !TryReadLabels(line, labels, ref at)) return false;

        var number = line[at..].Trim().Split(' ')[0];
        if (!TryNumber(number, out var value)) return false;

        sample = new(line[..nameEnd], labels, value);
        return true;
    }

    private static bool TryReadLabels(string line, Dictionary<string, string> into, ref int at)
    {
        at++;
        while (at < line.Length && line[at] != '}')
        {
            var equals = line.IndexOf('=', at);
            if (equals < 0 || equals + 1 >= line.Length || line[equals + 1] != '"') return false;

            var name = line[at..equals].Trim(',', ' ');
            var value = new System.Text.StringBuilder();
            for (at = equals + 2; at < line.Length && line[at] != '"'; at++)
            {
                if (line[at] != '\\' || at + 1 >= line.Length) { value.Append(line[at]); continue; }
                value.Append(line[++at] == 'n' ? '\n' : line[at]);
            }
            if (at >= line.Length) return false;
            into[name] = value.ToString();
            at++;
        }
        at++;
        return at <= line.Length;
    }

    private static bool TryNumber(string text, out double value)
    {
        if (text is "+Inf") { value = double.PositiveInfinity; return true; }
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value);
    }
}
