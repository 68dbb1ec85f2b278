/** 자동 미분: 첫 기울기에서 2차 미분까지. The Korean edition of tutorial.ts, with the same cells. */
import { show } from './tutorial/notebook.ts';

show({
  imports: `
    # autograd로 배우는 자동 미분

    autograd는 텐서로 계산한 것이라면 무엇이든 미분해 준다. 미리 선언할 것은 없다.
    프로그램이 실행되는 동안 연산이 기록되고, 그 기록을 거꾸로 따라가며 미분한다
    (define-by-run). 분기나 반복 횟수가 달라지면 기록도 달라지고, 미분도 그에 맞게
    달라진다.

    - 기록은 기울기를 구하려는 텐서에서 시작한다. 만들 때 requiresGrad: true를 주거나
      나중에 requiresGrad_()를 부르면 된다.
    - 그런 텐서로 계산한 결과도 모두 기록된다.
    - 결과를 기록에서 떼어 내려면 detach()를 쓴다.

    아래의 각 셀은 코드를 먼저 보여 주고, 그 밑에 출력을 보여 준다.
  `,
  seed: `
    난수 생성기는 PyTorch와 숫자 하나까지 같다. 이 시드를 쓰면 여기 적힌 값이 그대로
    나온다.
  `,
  leaf: `
    requiresGrad: true로 만든 텐서. 이 텐서에 대한 기울기를 구하게 된다.
  `,
  requiresGrad_: `
    이미 만든 텐서에도 표시할 수 있다. 이름 끝의 밑줄은 PyTorch에서처럼 텐서 자신을
    바꾼다는 뜻이다.
  `,
  gradFn: `
    x로 계산을 해 보자. 결과 y는 자신을 만든 함수를 알고 있고, 그 함수를 통해 미분하는
    방법도 안다. 그것이 y.gradFn이다.
  `,
  isLeaf: `
    x는 다른 것에서 계산된 값이 아니므로 그래프의 잎(leaf)이고 gradFn이 없다. y의 뒤에는
    합이 있고, 그 앞 단계인 nextFunctions에는 3을 곱한 연산이 있다.
  `,
  beforeBackward: `
    y를 식으로 쓰면

        y = 3 x₁ + 3 x₂ + 3 x₃ + 3 x₄   이므로   ∂y/∂xᵢ = 3

    이다. y.backward()를 부르면 이 네 미분값이 x.grad에 담긴다. 그 전에는 비어 있다.
  `,
  backward: `
    이제 그래프를 거꾸로 따라가 보자. 미분값이 모두 3일까?
  `,
  accumulation: `
    backward()는 x.grad에 이미 있는 값에 더한다. 3x에 이어 4x를 미분하면 3 + 4 = 7이
    남는다.
  `,
  zeroing: `
    새 기울기만 필요하면 먼저 0으로 되돌린다. 학습 루프가 매 단계를
    optimizer.zeroGrad()로 시작하는 까닭이다.
  `,
  secondBackward: `
    ## retainGraph

    그래프는 미분에 쓰려고 중간 계산값을 간직한다. backward()는 한 번 지나가면서 이 값을
    놓아 준다. 대개 다음 단계가 그 메모리를 써야 하기 때문이다. 그래서 같은 그래프를 두
    번째로 지나가려 하면 쓸 값이 남아 있지 않고, 다음과 같은 오류가 난다.
  `,
  retainGraph: `
    retainGraph: true를 주면 그래프가 그대로 유지된다(기본값은 false). 새 텐서와, 여러 번
    지나갈 그래프를 만들자.
  `,
  retainedFirst: `
    첫 번째 결과는 앞에서 본 것과 같다.
  `,
  retainedSecond: `
    이번에는 두 번째도 되고, 기울기는 더해진다. 3 + 3 = 6.
  `,
  autogradGrad: `
    ## 기울기를 결과로 받기

    정리해 보자. 프로그램을 실행하면 순환이 없는 그래프가 만들어진다. 결과마다 자신을
    만든 함수를 gradFn으로 가리키고 있고, backward()는 이것을 따라가며 잎에 기울기를
    저장한다.

    autograd.grad(출력, 입력)도 똑같이 따라가지만, 입력마다 하나씩 기울기를 돌려주고
    x.grad는 건드리지 않는다.
  `,
  detach: `
    ## 기록하지 않기

    값은 쓰되 미분하고 싶지 않을 때가 있다. detach()는 원소는 같고 그래프 밖에 있는
    텐서를 준다. 아래에서 y의 시그모이드에는 grad_fn이 없다.
  `,
  noGrad: `
    noGrad는 콜백 안에서 일어나는 모든 계산의 기록을 끈다.
  `,
  polynomial: `
    ## 2차 미분

    x = 1에서 y = 2x³ + 5x² + 8을 보자. 손으로 풀면 y′ = 6x² + 10x이고
    y″ = 12x + 10 = 22이다.
  `,
  derivatives: `
    createGraph: true를 주면 미분하는 계산까지 기록된다. 그래서 미분 결과를 다시 미분할
    수 있다.
  `,
  secondDerivative: `
    2차 미분의 값은 다음과 같다.
  `,
  exercise1: `
    ## 연습 문제

    1. 기울기를 구할 텐서 x를 값 2로 만들고,
       y = 9x⁴ + 2x³ + 3x² + 6x + 1을 만드시오.
  `,
  exercise2: `
    2. y를 x에 대해 미분하고 그 값을 출력하시오. 먼저 autograd.grad로 해 보자.
       createGraph를 주었으므로 결과도 자신의 그래프를 갖는다.
  `,
  exercise2Backward: `
    다음은 backward()로 한다.
  `,
  exercise2Gradient: `
    미분값은 x.grad에 있다. x = 2일 때 36x³ + 6x² + 6x + 6 = 330이다.
  `,
  exercise3: `
    3. x를 값 1로, z를 값 2로 만들되 둘 다 기울기를 구할 수 있게 하고,
       y = x² + z³을 만드시오.
  `,
  exercise4: `
    4. y를 x에 대해 편미분한 값과 z에 대해 편미분한 값을 출력하시오.
  `,
  exercise5: `
    5. x의 값만 출력하시오. x.data는 x와 메모리를 함께 쓰며 그래프 밖에 있다.
  `,
  picture: `
    ## 그림으로 보는 그래프

    y = x² + z³의 그래프 전체를 Graphviz의 언어로 적으면 다음과 같다. 잎은 파란색, y는
    초록색이고, 함수마다 상자가 하나씩 있으며, 역전파에 쓰려고 저장해 둔 값은 주황색이다.
    autograd.toSvg는 이것을 그림으로 그린다. docs/graph.svg는 이렇게 만든 그림이다.

        npm start --silent picture > docs/graph.svg
  `,
});
