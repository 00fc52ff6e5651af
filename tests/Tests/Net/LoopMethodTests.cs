using System.Runtime.CompilerServices;
using Mesh.Net;
using Mesh.Sim.Net;

namespace Mesh.Tests.Net;

/// <summary>Async methods built for loops: they wait, end, fail and are used again as any async method, and their state comes back to where it came from.</summary>
public sealed class LoopMethodTests : IDisposable
{
    private readonly SimNetwork _network = new();
    private readonly Loop _loop;

    public LoopMethodTests() => _loop = _network.CreateLoop();

    public void Dispose() => _network.Dispose();

    [Fact]
    public async Task A_method_that_does_not_wait_has_its_result_at_once()
    {
        var task = AddAsync(1, 2, waits: 0);

        Assert.True(task.IsCompletedSuccessfully);
        Assert.Equal(3, await task);
    }

    [Fact]
    public void A_method_that_waits_continues_its_caller_when_it_ends()
    {
        var sum = 0;
        Run(async () => sum = await AddAsync(1, 2, waits: 3) + await AddAsync(3, 4, waits: 1));

        Assert.Equal(10, sum);
    }

    [Fact]
    public void Many_may_wait_at_once_and_each_gets_its_own_result()
    {
        var sums = new int[200];
        for (var i = 0; i < sums.Length; i++)
        {
            var n = i;
            Start(async () => sums[n] = await AddAsync(n, n, waits: 1 + n % 3));
        }
        _network.Settle();

        Assert.Equal(Enumerable.Range(0, sums.Length).Select(n => 2 * n), sums);
    }

    [Fact]
    public void An_exception_arrives_at_the_caller_whether_the_method_waited_or_not()
    {
        var seen = new List<string>();
        foreach (var waits in (int[])[0, 1])
        {
            Run(async () =>
            {
                try
                {
                    await FailAsync(waits);
                }
                catch (InvalidDataException e)
                {
                    seen.Add(e.Message);
                }
            });
        }

        Assert.Equal(["after 0", "after 1"], seen);
    }

    [Fact]
    public void A_method_without_a_result_is_awaited_like_any_other()
    {
        var steps = new List<string>();
        Run(async () =>
        {
            await StepAsync(steps, "at once", waits: 0);
            await StepAsync(steps, "later", waits: 2);
            steps.Add("end");
        });

        Assert.Equal(["at once", "later", "end"], steps);
    }

    [Fact]
    public void A_result_cannot_be_taken_twice()
    {
        ValueTask<int> kept = default;
        Run(async () =>
        {
            kept = AddAsync(1, 1, waits: 1);
            await kept;
        });

        Assert.Throws<InvalidOperationException>(() => kept.GetAwaiter().GetResult());
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<int> AddAsync(int a, int b, int waits)
    {
        for (var i = 0; i < waits; i++) await _loop.Yield();
        return a + b;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<int> FailAsync(int waits)
    {
        for (var i = 0; i < waits; i++) await _loop.Yield();
        throw new InvalidDataException($"after {waits}");
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask StepAsync(List<string> steps, string step, int waits)
    {
        for (var i = 0; i < waits; i++) await _loop.Yield();
        steps.Add(step);
    }

    private void Run(Func<Task> flow)
    {
        Start(flow);
        _network.Settle();
    }

    private void Start(Func<Task> flow) => _loop.Soon(() => _ = flow());
}
