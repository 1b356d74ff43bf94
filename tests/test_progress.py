import minisparse as ms


def test_a_row_without_a_metric_is_shown_by_its_loss():
    assert ms.progress.tested({"test_loss": 0.5}) == "loss 0.5"
    assert ms.progress.tested({"test_loss": 0.5, "test_mean_absolute_error": 0.25}) == "mean_absolute_error 0.25"


def test_a_line_per_epoch_off_a_terminal(capsys):
    row = {"epoch": 1, "train_loss": 0.5, "test_loss": 0.5, "test_accuracy": 91.25, "seconds": 1.0}
    with ms.progress.Progress(3, 10, "net", quiet=False) as shown:
        shown.start(0)
        shown.step()
        shown.epoch(row)
    assert capsys.readouterr().err == "net: epoch 1/3  loss 0.5000  test 91.2 %  1.0 s\n"
