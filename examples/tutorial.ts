/** Automatic differentiation, from the first gradient to second derivatives. Korean edition: tutorial.ko.ts. */
import { show } from './tutorial/notebook.ts';

show({
  imports: `
    # Automatic differentiation with autograd

    autograd differentiates whatever you compute with tensors. There is nothing to
    declare beforehand: the program is recorded while it runs, and the record is
    what is differentiated (define-by-run). A step with another branch or another
    number of loop turns simply leaves another record, with its own derivative.

    - Recording starts at the tensors whose gradient you ask for: create them
      with requiresGrad: true, or call requiresGrad_() on them later.
    - Everything computed from such a tensor is recorded too.
    - detach() takes a result out of the record.

    Each cell below shows its code first and what it prints underneath.
  `,
  seed: `
    The generator of random numbers is PyTorch's, number for number. With this seed
    you will see the very values that are shown here.
  `,
  leaf: `
    A tensor with requiresGrad: true. Gradients will be computed with respect to it.
  `,
  requiresGrad_: `
    A tensor that exists already can be marked as well. As in all of PyTorch's
    names, the underscore at the end says that the tensor itself is changed.
  `,
  gradFn: `
    Compute something with x. The result y knows the function that it came from, and
    through it how to differentiate: y.gradFn.
  `,
  isLeaf: `
    x was computed from nothing: it is a leaf of the graph and has no gradFn. Behind y
    stands the sum, and before that, in nextFunctions, the multiplication by 3.
  `,
  beforeBackward: `
    In a formula, y is

        y = 3 x₁ + 3 x₂ + 3 x₃ + 3 x₄,    so    ∂y/∂xᵢ = 3.

    y.backward() will store these four derivatives in x.grad. Until then there are none.
  `,
  backward: `
    Now walk back through the graph. Is every derivative 3?
  `,
  accumulation: `
    backward() adds to what x.grad holds already. Differentiating 4x after 3x leaves
    3 + 4 = 7.
  `,
  zeroing: `
    When only the new gradient is wanted, set the old one to zero first. This is why
    training loops begin each step with optimizer.zeroGrad().
  `,
  secondBackward: `
    ## retainGraph

    To differentiate, the graph keeps intermediate values. backward() releases them
    when it has passed, for the memory is usually needed by the next step. So a second
    backward() through the same graph has nothing left to work with, and says so.
  `,
  retainGraph: `
    With retainGraph: true the graph stays whole (the default is false). Here are a new
    tensor and a graph that we intend to pass through several times.
  `,
  retainedFirst: `
    The first pass gives what we know.
  `,
  retainedSecond: `
    The second one works now, and its gradient is added: 3 + 3 = 6.
  `,
  autogradGrad: `
    ## Gradients as results

    To sum up: running the program builds an acyclic graph; each result holds a
    reference, gradFn, to the function that made it; backward() follows these
    references and stores the gradients in the leaves.

    autograd.grad(output, inputs) follows them just the same, but returns the gradients,
    one for each input, and leaves x.grad alone.
  `,
  detach: `
    ## Without recording

    Sometimes a value should be used but not differentiated. detach() gives a tensor
    with the same elements outside the graph. The sigmoid of y below has no grad_fn.
  `,
  noGrad: `
    noGrad switches recording off for everything inside its callback.
  `,
  polynomial: `
    ## Second derivatives

    Take y = 2x³ + 5x² + 8 at x = 1. By hand: y′ = 6x² + 10x and y″ = 12x + 10 = 22.
  `,
  derivatives: `
    createGraph: true records the computation of the derivative itself, which then can
    be differentiated like anything else.
  `,
  secondDerivative: `
    And the second derivative is:
  `,
  exercise1: `
    ## Exercises

    1. Create a tensor x with the value 2 whose gradient is wanted, and
       y = 9x⁴ + 2x³ + 3x² + 6x + 1.
  `,
  exercise2: `
    2. Differentiate y with respect to x and print the derivative. First with
       autograd.grad: thanks to createGraph the result belongs to a graph of its own.
  `,
  exercise2Backward: `
    Then with backward() ...
  `,
  exercise2Gradient: `
    ... which leaves it in x.grad: 36x³ + 6x² + 6x + 6 = 330 at x = 2.
  `,
  exercise3: `
    3. Create x with the value 1 and z with the value 2, both with gradients wanted,
       and y = x² + z³.
  `,
  exercise4: `
    4. Print the partial derivatives of y with respect to x and with respect to z.
  `,
  exercise5: `
    5. Print the value of x alone. x.data shares x's memory and is outside the graph.
  `,
  picture: `
    ## The graph as a picture

    Here is the whole graph behind y = x² + z³ in the language of Graphviz: the leaves
    in blue, y in green, a box for each function, and in orange what it has saved for
    the way back. autograd.toSvg draws it: see docs/graph.svg, which was made by

        npm start --silent picture > docs/graph.svg
  `,
});
