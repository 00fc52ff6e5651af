namespace Mesh.Cli.Output;

/// <summary>
/// Columns aligned as Go's tabwriter aligns them: every cell but a row's last is padded to its column's widest cell plus <paramref name="gap"/>.
/// A column spans neighbouring rows that have it, so a short row ends it.
/// </summary>
internal sealed class Table(int gap = 1, int widthMin = 0)
{
    private readonly List<string[]> rows = [];

    public int RowCount => rows.Count;

    public Table Add(params string[] cells)
    {
        rows.Add(cells);
        return this;
    }

    public void Write(TextWriter to)
    {
        var widths = new int[rows.Count][];
        for (var row = 0; row < rows.Count; row++) widths[row] = new int[rows[row].Length];
        var columns = rows.Count == 0 ? 0 : rows.Max(r => r.Length);
        for (var column = 0; column < columns; column++) Measure(column, widths);

        for (var row = 0; row < rows.Count; row++)
        {
            for (var column = 0; column < rows[row].Length; column++)
            {
                to.Write(rows[row][column]);
                if (column < rows[row].Length - 1) to.Write(new string(' ', widths[row][column] - Length(rows[row][column])));
            }
            to.WriteLine();
        }
    }

    private void Measure(int column, int[][] widths)
    {
        for (var start = 0; start < rows.Count; start++)
        {
            if (column >= rows[start].Length - 1) continue;

            var end = start;
            var width = widthMin;
            for (; end < rows.Count && column < rows[end].Length - 1; end++) width = Math.Max(width, Length(rows[end][column]) + gap);
            for (var row = start; row < end; row++) widths[row][column] = width;
            start = end;
        }
    }

    /// <summary>In runes, as Go counts.</summary>
    private static int Length(string cell)
    {
        var count = 0;
        foreach (var _ in cell.EnumerateRunes()) count++;
        return count;
    }
}
