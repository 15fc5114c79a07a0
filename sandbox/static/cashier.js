// The pay sheet inside its frame: tells the simulator what the person decided, then tells the page that opened it.

const sheet = document.getElementById("sim-sheet");
const buttons = [...sheet.querySelectorAll("button")];

// Only the origin the sheet was asked for by is told; the frame-ancestors policy lets no other one frame it.
function report(result) {
  parent.postMessage({ type: "sim-cashier", result }, document.body.dataset.origin);
}

async function decide(outcome) {
  buttons.forEach((button) => { button.disabled = true; });
  try {
    const answer = await fetch("/_sim/cashier", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ params: JSON.parse(sheet.dataset.params), outcome }),
    });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    report(await answer.json());
  } catch {
    // Not an outcome: the person may press again, as with a real sheet and a weak signal.
    document.getElementById("sim-status").textContent = "网络异常，请重试 · Network trouble, try again";
    buttons.forEach((button) => { button.disabled = false; });
  }
}

function refuse(message) {
  report({ err_msg: "get_brand_wcpay_request:fail", err_desc: message });
}

function press(button) {
  if (button.dataset.refused) refuse(button.dataset.refused);
  else decide(button.dataset.outcome);
}

for (const button of buttons) button.addEventListener("click", () => press(button));
document.addEventListener("keydown", (event) => {
  const wayOut = document.getElementById("sim-cancel") ?? document.getElementById("sim-dismiss");
  if (event.key === "Escape" && !wayOut.disabled) press(wayOut);
});
buttons[0].focus();
