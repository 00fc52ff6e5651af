using Mesh.Proxy;

namespace Mesh.Tests.Proxy;

/// <summary>How a process that was told to end goes: who is told what, and when. Istio: Agent, shutdown.</summary>
public sealed class DrainTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Theory]
    [InlineData(0, nameof(DrainStep.Serve))] // readiness alone has changed
    [InlineData(2.4, nameof(DrainStep.Serve))]
    [InlineData(2.5, nameof(DrainStep.Empty))]
    [InlineData(4.9, nameof(DrainStep.Empty))]
    [InlineData(5, nameof(DrainStep.End))]
    public void A_gateway_tells_its_load_balancer_first_and_its_callers_in_the_second_half(double seconds, string step) =>
        Assert.Equal(step, Plan("router").At(seconds * Second, connections: 7).ToString());

    [Theory]
    [InlineData(0, nameof(DrainStep.Empty))]
    [InlineData(5, nameof(DrainStep.End))]
    public void A_sidecar_asks_its_callers_to_leave_at_once(double seconds, string step) =>
        Assert.Equal(step, Plan("sidecar").At(seconds * Second, connections: 7).ToString());

    [Theory]
    [InlineData(9, 7, nameof(DrainStep.Serve))]
    [InlineData(10, 7, nameof(DrainStep.Empty))]
    [InlineData(20, 7, nameof(DrainStep.End))]
    public void What_the_user_set_counts(double seconds, int connections, string step) =>
        Assert.Equal(step, Plan("router", ("TERMINATION_DRAIN_DURATION", "20s")).At(seconds * Second, connections).ToString());

    [Theory]
    [InlineData(4, 0, nameof(DrainStep.Empty))] // not before the least
    [InlineData(5, 0, nameof(DrainStep.End))]
    [InlineData(44, 1, nameof(DrainStep.Empty))]
    [InlineData(45, 1, nameof(DrainStep.End))] // not later than drainDuration
    public void With_exit_on_zero_it_waits_for_the_last_caller(double seconds, int connections, string step) =>
        Assert.Equal(step, Plan("router", ("EXIT_ON_ZERO_ACTIVE_CONNECTIONS", "true")).At(seconds * Second, connections).ToString());

    [Fact]
    public void Whose_application_has_ended_waits_for_nothing() => Assert.Equal(DrainStep.End, DrainPlan.For(Read("router"), quick: true).At(TimeSpan.Zero, connections: 7));

    private static DrainPlan Plan(string role, params (string Name, string Value)[] environment) => DrainPlan.For(Read(role, environment), quick: false);

    private static Bootstrap Read(string role, params (string Name, string Value)[] environment) =>
        Bootstrap.Read(["proxy", role], environment.ToDictionary(pair => pair.Name, pair => pair.Value), _ => null);
}
