namespace Mesh.Fuzz;

/// <summary>An input that broke a promise, made as short as it can be.</summary>
internal sealed record Finding(byte[] Input, string Problem);

/// <summary>
/// Mutates a corpus and asks the target about each input. Without coverage to steer by, an input is kept when the target tells a story that
/// was not heard before: each fuzzer returns one, made of statuses and errors.
/// </summary>
internal sealed class FuzzLoop(Fuzzer fuzzer, int seed, TimeProvider time)
{
    private const int CorpusMax = 4_000;

#pragma warning disable RS0030 // seeded once, here
    private readonly Random _random = new(seed);
#pragma warning restore RS0030
    private readonly List<byte[]> _corpus = [.. fuzzer.Corpus];
    private readonly HashSet<int> _stories = [];

    public long Executions { get; private set; }

    public int CorpusCount => _corpus.Count;

    public Finding? Run(TimeSpan duration, long executions)
    {
        foreach (var input in fuzzer.Corpus)
        {
            if (Execute(input) is { } finding) return finding;
        }

        var start = time.GetTimestamp();
        while (Executions < executions)
        {
            if (duration > TimeSpan.Zero && (Executions & 255) == 0 && time.GetElapsedTime(start) > duration) return null;
            if (Execute(new Mutation(_random, _corpus, fuzzer.Tokens).Next()) is { } finding) return Shorten(finding);
        }

        return null;
    }

    public static Finding? Try(Fuzzer fuzzer, byte[] input)
    {
        try
        {
            fuzzer.Run(input);
            return null;
        }
        catch (Exception problem) when (problem is not OutOfMemoryException)
        {
            return new(input, $"{problem.GetType().Name}: {problem.Message}");
        }
    }

    private Finding? Execute(byte[] input)
    {
        Executions++;
        try
        {
            if (_stories.Add(string.GetHashCode(fuzzer.Run(input), StringComparison.Ordinal)) && _corpus.Count < CorpusMax) _corpus.Add(input);
            return null;
        }
        catch (Exception problem) when (problem is not OutOfMemoryException)
        {
            return new(input, $"{problem.GetType().Name}: {problem.Message}");
        }
    }

    private Finding Shorten(Finding finding)
    {
        for (var size = finding.Input.Length / 2; size > 0; size /= 2)
        {
            for (var at = 0; at + size <= finding.Input.Length;)
            {
                byte[] shorter = [.. finding.Input[..at], .. finding.Input[(at + size)..]];
                if (Try(fuzzer, shorter) is { } still) finding = still;
                else at += size;
            }
        }

        return finding;
    }
}
